"""Reading the live system: `/proc` to the values of `hangprobe.model`. Nothing here decides anything."""
