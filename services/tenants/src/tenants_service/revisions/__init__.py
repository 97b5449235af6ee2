"""Writing over what somebody else may have changed in the meantime."""
