# Subshells in subshells, each of which waits for the next; only the innermost one sleeps.
(:; (:; (:; (:; sleep 3; :); :); :); :)
sh -c 'sh -c "sh -c \"sleep 2; :\"; :"; :'
