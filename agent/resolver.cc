#include "agent/resolver.h"
