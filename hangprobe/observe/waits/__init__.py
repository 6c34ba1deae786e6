"""What a blocked thread waits for, and who could wake it: one module a family of waits.

`shapes` reads a system call's words; the families turn a shape into a `Wait` with wakers, or say why they cannot.
"""
