# split starts a filter for each piece and waits for it.
seq 2000000 | split -n r/4 --filter='gzip -1 > $FILE.gz; sleep 0.5'
zcat x*.gz | wc -l
