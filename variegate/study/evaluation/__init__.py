"""What a trained model can: held-out loss, tasks of lm-evaluation-harness, answers that a judge compares."""
