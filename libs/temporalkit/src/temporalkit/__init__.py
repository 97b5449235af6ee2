"""Temporal for the mesh: client, converter, worker runner, saga, retry presets, replay tools.

Import the module you need (`from temporalkit.saga import Saga`): the package itself imports nothing, so that a process
which only starts workflows does not pay for the worker.
"""
