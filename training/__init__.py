"""Making a policy: tasks, batched hands, recurrent PPO, curriculum, export, evaluation."""
