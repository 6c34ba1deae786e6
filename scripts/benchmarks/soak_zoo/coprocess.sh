# A coprocess: the shell and its coprocess wait for each other's pipe in turns.
coproc DOUBLE { while read -r number; do echo $((2 * number)); done; }
out=${DOUBLE[0]} in=${DOUBLE[1]}
for number in $(seq 12); do
  echo "$number" >&"$in"
  read -r twice <&"$out"
  sleep 0.2
done
exec {in}>&-
wait
echo "$twice"
