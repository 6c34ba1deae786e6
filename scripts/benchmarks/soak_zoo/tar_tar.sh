# tar into tar: the reader waits while the writer packs, the writer waits while the pipe is full.
mkdir from to
for number in $(seq 40); do head -c 1000000 /dev/urandom > "from/$number"; done
tar -C from -cf - . | (sleep 2; tar -C to -xf -)
tar -C from -czf - . | tar -tzf - | wc -l
