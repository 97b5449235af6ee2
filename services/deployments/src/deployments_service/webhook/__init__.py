"""Deployments by a pipeline that is called with a signature, and then asked, or reports by itself."""
