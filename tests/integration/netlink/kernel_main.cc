// Kernel tests need a network namespace of their own, made before any thread is. Where that is
// refused there is nothing to test: exit code 77 says "skipped" to CTest.
#include <sched.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#ifdef DOVE_CATCH2_V3
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

int main(int argc, char** argv) {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::fprintf(stderr, "SKIPPED: cannot make a network namespace: %s (run as root)\n",
                 std::strerror(errno));
    return 77;
  }
  return Catch::Session().run(argc, argv);
}
