# Writers wait for seconds in a full pipe, until their reader comes.
seq 1000000 | (sleep 3; tail -1)
yes | (sleep 2; head -3)
