# tee into two process substitutions, of which bash does not wait; each of them ends when tee has closed its pipe.
for round in 1 2 3; do
  seq 200000 | tee >(sort -n | tail -1 > last) >(sleep 1; wc -l > lines) > /dev/null
  sleep 1.5
done
cat last lines
