"""Temporal for the mesh: client, converter, worker runner, saga, retry presets, replay tools."""
