"""The workflows, a file each: who they are and what they answer. What they do stands in `worker_service.tables`."""
