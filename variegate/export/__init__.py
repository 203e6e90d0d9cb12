"""What a selection leaves for others: its record, a folder ready for training, a card."""
