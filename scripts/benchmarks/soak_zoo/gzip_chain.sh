# Compress and expand several times in one pipe.
head -c 60000000 /dev/urandom | gzip -1 | gunzip | gzip -1 | gunzip | md5sum
