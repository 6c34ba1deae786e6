"""What runs in the subject's environment: by any Python from 3.8 on, with any Parsl, without hangprobe's own."""
