# A coprocess that nobody uses while the shell computes; it ends when the shell closes its pipe.
coproc IDLE { cat > rest; }
for round in 1 2 3 4 5 6; do seq 300000 | md5sum > /dev/null; sleep 0.3; done
eval "exec ${IDLE[1]}>&-"
wait
