"""Makes the policy of the skill ``baoding`` better by gradients through a learned model."""
