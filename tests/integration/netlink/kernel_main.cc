// Kernel tests need a network namespace of their own, made before any thread is: so before main().
// Where that is refused there is nothing to test, and exit code 77 says "skipped" to CTest.
#include <sched.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

bool leave_or_skip() {
  if (::unshare(CLONE_NEWNET) == 0) return true;
  std::fprintf(stderr, "SKIPPED: cannot make a network namespace: %s (run as root)\n",
               std::strerror(errno));
  std::_Exit(77);
}

[[maybe_unused]] const bool in_own_namespace = leave_or_skip();

}  // namespace
