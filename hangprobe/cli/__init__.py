"""The commands: parse, call the library, print, return a code. The only place of the package that prints."""
