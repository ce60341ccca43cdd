"""What a step does to the weights after its gradient is there."""

from torch.profiler import ProfilerActivity, profile

from tests.hand_streams import HandStream
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.loop import make_accelerator, train


def test_weights_are_changed_by_the_fused_optimizer() -> None:
    config = TrainingConfig(max_tokens=64, people_per_batch=4, answers_per_query=2, precision="full", temperature=0.05)
    encoder = base_encoder(config, "cpu")
    before = {name: each.detach().clone() for name, each in encoder.model.named_parameters()}
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        (step,) = train(encoder, HandStream(planted_examples(4, 0), config), config, make_accelerator(config))
    assert "aten::_fused_adamw_" in {event.key for event in profiled.key_averages()}
    moved = {name: float((each.detach() - before[name]).abs().max()) for name, each in encoder.model.named_parameters()}
    assert max(moved.values()) > step.learning_rate / 2, "the first step of Adam moves a weight by the rate"
