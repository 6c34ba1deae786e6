# make with two levels: the inner ones take tokens from the outer one's job server, a pipe.
cat > Makefile <<'END'
all: a b c d e f
	@cat $^ > all
%:
	@sleep 0.7; echo $@ > $@
sub:
	@$(MAKE) --no-print-directory all
END
make -j 3 all
rm -f a b c d e f all
make -j 2 sub
wc -l all
