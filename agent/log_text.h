// What the agent's log says of ports and entries: with network, MAC, IP and host.
#pragma once

#include <string>

#include "agent/action.h"
#include "agent/ports.h"

namespace dove::agent {

// "red-net (VNI 100)"; the number alone for one without a name here.
std::string network_text(const std::string& name, Vni vni);

// That a port is now in its state, or was removed.
std::string port_text(const Port& port, bool deleted);

// What a change of the kernel's is about: "MAC 02:.. at VTEP 192.0.2.11".
std::string change_text(const KernelChange& change);

}  // namespace dove::agent
