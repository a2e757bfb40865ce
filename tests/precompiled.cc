// What CMake compiles beside the header that the tests share (DOVE_PCH).
