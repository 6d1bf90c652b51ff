"""Makes the policy of the skill ``posture``."""
