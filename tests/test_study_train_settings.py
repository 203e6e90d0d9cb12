"""What `train` in a study's file may say."""

from __future__ import annotations

import pytest

from variegate.errors import ParameterError
from variegate.study.keys import Keys
from variegate.study.training import Budget, Command, Lora, Training, read_training
from variegate.study.training import settings as module
from variegate.study.training.launch import launch_command, processes_of, settings_from


@pytest.fixture(autouse=True)
def all_installed(monkeypatch):
    monkeypatch.setattr(module, "need_trl", lambda: None)


def read(**values):
    return read_training(Keys(values, "train", "study.yaml", {"train.learning_rate": 7}))


def test_what_is_left_out_has_a_default():
    found = read(model="base", budget={"epochs": 3})
    assert found == Training("base", Budget(epochs=3))
    assert found.lora is None
    assert found.as_dict()["budget"] == {"epochs": 3, "tokens": None, "response_tokens": None}


def test_all_that_may_be_said(tmp_path):
    (tmp_path / "own.jinja").write_text("{{ messages }}", encoding="utf-8")
    found = read(
        model="base", budget={"response_tokens": 5000}, learning_rate="1e-3", schedule="linear", warmup=0, weight_decay=0.1,
        max_grad_norm=0.5, batch_size=8, gradient_accumulation=2, max_length=64, packing=False, precision="bf16", weights="bf16",
        device="cpu", processes=2, lora={"rank": 4, "targets": ["q_proj"]}, chat_template=str(tmp_path / "own.jinja"),
        gradient_checkpointing=True, accelerate_config="own.yaml", arguments={"optim": "sgd"},
    )  # fmt: skip
    assert (found.learning_rate, found.chat_template) == (1e-3, "{{ messages }}")
    assert found.lora == Lora(rank=4, targets=("q_proj",))
    assert settings_from(found.as_dict()) == found
    assert read(model="base", budget={"epochs": 1}, lora=True).lora == Lora()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"learning_rate": -1}, r"study.yaml, line 7: 'train.learning_rate' must be a number above 0. Got -1 instead"),
        ({"learning_rate": "fast"}, r"'train.learning_rate' must be a number above 0. Got 'fast'"),
        ({"learning_rate": True}, r"'train.learning_rate' must be a number above 0. Got True"),
        ({"schedule": "step"}, r"'train.schedule' must be one of cosine, linear, constant. Got 'step'"),
        ({"warmup": 1}, r"'train.warmup' must be a share of the steps, in \[0, 1\). Got 1"),
        ({"batch_size": 0}, r"'train.batch_size' must be a whole number of at least 1. Got 0"),
        ({"batch_size": 6, "gradient_accumulation": 4}, r"'train.batch_size' must be a multiple of 'train.gradient_accumul.*4.*Got 6"),
        ({"packing": "yes"}, r"'train.packing' must be true or false. Got 'yes'"),
        ({"lora": {"rank": 0}}, r"'train.lora.rank' must be a whole number of at least 1. Got 0"),
        ({"lora": {"rnak": 8}}, r"key in study.yaml: 'train.lora.rnak'. Did you mean train.lora.rank"),
        ({"lora": 4}, r"'train.lora' must be true or a mapping"),
        ({"budget": {"epochs": 1, "tokens": 9}}, r"'train.budget' must hold one of.*Got epochs, tokens instead"),
        ({"budget": {"tokens": 1.5}}, r"'train.budget.tokens' must be a whole number of at least 1, or left out. Got 1.5"),
        ({"budget": None}, r"'train.budget' is missing.*epochs, tokens and response_tokens"),
        ({"model": ""}, r"'train.model' must be a Hub id or the path of a model. Got ''"),
        ({"modle": "x"}, r"'train.modle'. Did you mean train.model"),
        ({"chat_template": "nowhere.jinja"}, r"study.yaml: 'train.chat_template' must be plain, a file.*nowhere.jinja"),
        ({"arguments": {"seed": 3}}, r"'train.arguments.seed' is settled by the study itself"),
        ({"processes": 0}, r"'train.processes' must be a whole number of at least 1, or null"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(values, said):
    with pytest.raises(ParameterError, match=said):
        read(**{"model": "base", "budget": {"epochs": 1}, **values})


def test_a_model_must_be_named():
    with pytest.raises(ParameterError, match=r"study.yaml: 'train.model' is missing. It must be a Hub id or the path"):
        read(budget={"epochs": 1})
    with pytest.raises(ParameterError, match=r"'train.learning_rate' must be a number above 0. Got 0 instead"):
        Training("base", Budget(epochs=1), learning_rate=0)


def test_a_command():
    found = read(model="base", command="trainer {config}", config={"lr": "{seed}"}, expects=["*.bin"])
    assert found == Command("base", "trainer {config}", {"lr": "{seed}"}, ("*.bin",))
    assert read(model="base", command=["trainer", "{data}"]).command == ("trainer", "{data}")
    with pytest.raises(ParameterError, match=r"'train.command' must be a command line, or a list of its words. Got ''"):
        read(model="base", command="")
    with pytest.raises(ParameterError, match=r"'train.learning_rate'"):
        read(model="base", command="trainer", learning_rate=1)


def test_what_is_launched_on_several_devices(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="devices are PyTorch's")
    one, many = Training("base", Budget(epochs=1)), Training("base", Budget(epochs=1), processes=4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert processes_of(one) is None
    with pytest.raises(ParameterError, match=r"'train.processes' must be at most 1, the devices.*Got 4"):
        processes_of(many)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert (processes_of(one), processes_of(many)) == (4, 4)
    words = launch_command(many, 4, tmp_path / "job")
    assert words[1:3] == ["-m", "accelerate.commands.launch"]
    assert "--multi_gpu" in words
    assert words[words.index("--num_processes") + 1] == "4"
    assert words[-3:] == ["-m", "variegate.study.training.worker", str(tmp_path / "job")]
    # One of several devices: a process of its own, which sees that one alone.
    single = Training("base", Budget(epochs=1), processes=1)
    assert processes_of(single) == 1
    assert "--gpu_ids" in launch_command(single, 1, tmp_path / "job")
    own = Training("base", Budget(epochs=1), accelerate_config="fsdp.yaml")
    words = launch_command(own, 4, tmp_path / "job")
    assert words[words.index("--config_file") + 1] == "fsdp.yaml"
    on_processors = Training("base", Budget(epochs=1), processes=2, device="cpu")
    assert processes_of(on_processors) == 2
    assert "--nproc_per_node=2" in launch_command(on_processors, 2, tmp_path / "job")
