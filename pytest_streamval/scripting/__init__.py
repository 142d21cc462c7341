"""Scripts, and the means to play them: as iterators, to a file and back, and as a mock backend."""
