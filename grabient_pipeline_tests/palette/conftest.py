from hypothesis import settings

# A busy machine is no fault: the time an example takes is not looked at.
settings.register_profile("palette", deadline=None)
settings.load_profile("palette")
