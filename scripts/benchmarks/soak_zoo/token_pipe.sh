# A pipe as a semaphore: workers read a token, work, and put it back.
mkfifo tokens
exec 5<> tokens
echo -n ab >&5
for number in 1 2 3 4 5 6; do
  (read -r -n 1 token <&5; sleep 0.8; echo -n "$token" >&5) &
done
wait
