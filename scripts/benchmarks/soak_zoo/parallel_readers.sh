# Three readers share one pipe: two of them wait while the third has got a line; all end with the writer.
(for number in $(seq 12); do echo "$number"; sleep 0.3; done) | (
  for reader in 1 2 3; do (while read -r word; do sleep 0.4; echo "$reader $word"; done) & done
  wait
)
