# xargs keeps three children going and waits for any of them.
seq 18 | xargs -P 3 -n 1 sh -c 'sleep 0.$0; echo $0' | sort -n | tail -1
seq 6 | xargs -P 6 -I{} sh -c 'sleep 1; seq {}000 | wc -l'
