"""A user's Parsl configuration: what is wrong with it, each mistake explained, before anything is started."""
