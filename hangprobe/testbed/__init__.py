"""A cluster on one machine: nodes of Linux namespaces with a real sshd each. Begin with cluster.py."""
