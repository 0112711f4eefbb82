# make test, make demo, make bench: they install what is missing, and need no pg_config before that. Included by Makefile.
.PHONY: test lint demo bench fuzz deps print-%

test:
	@test/run

# what looks at the source alone, clang-tidy included, which takes too long for make test
lint:
	@test/tools/deps dev
	@test/run lint tidy

demo:
	@demo/run

bench:
	@bench/run

fuzz:
	@test/fuzz/run

# the packages alone; what each target needs, it installs itself
deps:
	@test/tools/deps dev

# what a variable of the Makefile holds, for the tools
print-%:
	@echo $($*)
