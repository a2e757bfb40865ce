#!/usr/bin/python3
"""Proves that the folders know each other one way only, from #include lines and CMake's links.

    check_arrows.py [TREE]        exits 1 and names each arrow that points the wrong way

Before the tree is believed the check proves itself: it plants one of each offence in a scratch tree
and must find it, and must find nothing in one without.
"""
import re
import sys
import tempfile
from pathlib import Path

# Who may know whom. "dove" is the generated code of api/.
ARROWS = {
    "core": {"core"},
    "netlink": {"netlink", "core"},
    "api": {"api", "dove", "core"},
    "agent": {"agent", "netlink", "api", "dove", "core"},
    "controller": {"controller", "api", "dove", "core"},
    "cli": {"cli", "api", "dove", "core"},
}

# A library whose headers and targets belong to some folders alone.
OWNED = [
    ("the kernel's netlink libraries", re.compile(r"libmnl/|netlink/"),
     re.compile(r"PkgConfig::(MNL|NL)$"), ("netlink/",)),
    ("SQLite", re.compile(r"sqlite3"), re.compile(r"PkgConfig::SQLITE$"), ("controller/store/",)),
    ("gRPC", re.compile(r"grpc(pp)?/"), re.compile(r"PkgConfig::GRPC$"),
     ("api/", "agent/", "controller/", "cli/")),
    ("protobuf", re.compile(r"google/protobuf/"), re.compile(r"protobuf::"),
     ("api/", "agent/", "controller/", "cli/")),
    ("event loops", re.compile(r"asio"), re.compile(r"dove_asio$"),
     ("agent/", "controller/", "cli/")),
]
GRPC_CLIENT = re.compile(r"grpcpp/(grpcpp|channel|create_channel|client_context)\.h|agent\.grpc\.pb\.h")

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
_TARGET = re.compile(r"add_(?:library|executable)\s*\(\s*([\w-]+)")
_LINK = re.compile(r"target_link_libraries\s*\(\s*([\w-]+)\s+([^)]*)\)")


def sources(tree):
    for folder in ARROWS:
        for pattern in ("*.h", "*.cc", "*.cpp"):
            yield from sorted((tree / folder).rglob(pattern))


def lists(tree):
    for folder in ARROWS:
        yield from sorted((tree / folder).rglob("CMakeLists.txt"))


def includes(path):
    """(is ours, what) of each line."""
    return [(mark == '"', what) for mark, what in _INCLUDE.findall(path.read_text())]


def check_includes(tree):
    wrong = []
    for path in sources(tree):
        name = path.relative_to(tree).as_posix()
        folder = name.split("/")[0]
        for ours, what in includes(path):
            known = what.split("/")[0]
            if ours and "/" in what and (known in ARROWS or known == "dove"):
                if known not in ARROWS[folder]:
                    wrong.append(f"{name}: {folder}/ may not include {what}")
            elif not ours:
                wrong += [f"{name}: only {' and '.join(homes)} may include {library}: {what}"
                          for library, header, _, homes in OWNED
                          if header.match(what) and not name.startswith(homes)]
    return wrong


def check_grpc_client(tree):
    """A header and its source count as one file."""
    users = {path.relative_to(tree).with_suffix("").as_posix() for path in sources(tree)
             if path.is_relative_to(tree / "agent")
             and any(GRPC_CLIENT.search(what) for _, what in includes(path))}
    if len(users) > 1:
        return [f"more than one file of agent/ includes gRPC's client: {', '.join(sorted(users))}"]
    return []


def check_links(tree):
    homes, links = {}, []
    for path in lists(tree):
        name = path.relative_to(tree).as_posix()
        text = re.sub(r"#.*", "", path.read_text())
        homes.update({target: name.split("/")[0] for target in _TARGET.findall(text)})
        links += [(name, target, library) for target, words in _LINK.findall(text)
                  for library in words.split()]
    wrong = []
    for name, target, library in links:
        folder = name.split("/")[0]
        if homes.get(library, folder) not in ARROWS[folder]:
            wrong.append(f"{name}: {target} may not link {library} of {homes[library]}/")
        # A folder's list may link for a folder below it (controller/ for controller/store/).
        wrong += [f"{name}: {target} may not link {library} ({what})"
                  for what, _, pattern, owners in OWNED if pattern.match(library)
                  and not any(owner.split("/")[0] == folder for owner in owners)]
    return wrong


def check(tree):
    return check_includes(tree) + check_grpc_client(tree) + check_links(tree)


# --- the check of the check
CLEAN = {
    "core/vni.h": "#include <cstdint>\n",
    "netlink/link.h": '#include <libmnl/libmnl.h>\n#include <netlink/route/link.h>\n#include "core/vni.h"\n',
    "agent/session.cc": '#include <grpcpp/grpcpp.h>\n#include "agent/session.h"\n',
    "agent/session.h": '#include <grpcpp/channel.h>\n#include "dove/v1/agent.pb.h"\n',
    "agent/local_service.cc": '#include <grpcpp/server_context.h>\n#include "netlink/link.h"\n',
    "controller/store/sqlite_store.cc": "#include <sqlite3.h>\n",
    "core/CMakeLists.txt": "add_library(dove_core STATIC vni.cc)\n",
    "agent/CMakeLists.txt": "add_library(dove_agent x.cc)\ntarget_link_libraries(dove_agent PUBLIC\n dove_core)\n",
    "controller/CMakeLists.txt": "add_library(dove_controller x.cc)\n",
}
OFFENCES = {
    "core/a.h": '#include "api/convert.h"\n',
    "netlink/a.cc": '#include "agent/event.h"\n',
    "netlink/b.h": '  #  include "dove/v1/agent.pb.h"\n',
    "netlink/c.cc": "#include <grpcpp/grpcpp.h>\n",
    "core/b.cc": "#include <google/protobuf/message.h>\n",
    "api/a.h": '#include "netlink/link.h"\n',
    "agent/a.cc": '#include "controller/store/store.h"\n',
    "agent/b.cc": "#include <libmnl/libmnl.h>\n",
    "agent/datapath/c.cc": "#include <grpcpp/create_channel.h>\n",
    "controller/a.cc": "#include <sqlite3.h>\n",
    "controller/b.cc": '#include "agent/event.h"\n',
    "cli/a.cc": '#include "controller/model.h"\n',
    "cli/b.cc": '#include "netlink/link.h"\n',
    "netlink/CMakeLists.txt": "add_library(dove_netlink x.cc)\ntarget_link_libraries(dove_netlink PUBLIC dove_agent)\n",
    "cli/CMakeLists.txt": "target_link_libraries(dove_cli\n  PRIVATE dove_core dove_controller)\n",
    "api/CMakeLists.txt": "target_link_libraries(dove_api PUBLIC PkgConfig::SQLITE)\n",
}


def findings_with(extra):
    with tempfile.TemporaryDirectory(prefix="arrows-") as scratch:
        for name, text in {**CLEAN, **extra}.items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check(Path(scratch))


def check_itself():
    if findings_with({}):
        return [f"the check sees what is not there: {findings_with({})}"]
    return [f"the check does not see: {name}: {text.strip()}" for name, text in OFFENCES.items()
            if len(findings_with({name: text})) != 1]


def main():
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])
    missing = [folder for folder in ARROWS if not (tree / folder).is_dir()]
    wrong = check_itself() + [f"no folder {folder}/" for folder in missing] + check(tree)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(list(sources(tree)))} files, {len(OFFENCES)} planted offences, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
