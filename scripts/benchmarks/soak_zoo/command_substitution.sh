# The shell waits for the end of a pipe that a background process of the command keeps open.
word=$(sleep 3 & echo at once)
echo "$word"
