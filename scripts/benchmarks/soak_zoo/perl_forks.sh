# perl: a parent reads from the pipes of its children one after the other, then reaps them.
perl -e '
  for my $n (1 .. 4) { pipe(my $r, my $w); my $p = fork;
    if (!$p) { close $r; sleep $n; print $w "from $n\n"; exit 0 }
    close $w; push @readers, $r }
  for my $r (@readers) { print scalar <$r> }
  1 while wait > 0;'
