# Libraries, all from Debian; their packages are listed in packaging/dependencies.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(NL REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0)
find_package(Protobuf REQUIRED)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(ABSL REQUIRED IMPORTED_TARGET absl_synchronization)
pkg_check_modules(ABSL_MAP REQUIRED IMPORTED_TARGET absl_flat_hash_map)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
find_path(ASIO_INCLUDE asio.hpp REQUIRED)

add_library(dove_asio INTERFACE)
target_include_directories(dove_asio SYSTEM INTERFACE ${ASIO_INCLUDE})
# asio looks for aligned_alloc in what happens to be included before it, and a program whose files
# disagree frees with one allocator what came from another: it is told.
target_compile_definitions(dove_asio INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED
                                               ASIO_HAS_STD_ALIGNED_ALLOC=1)
target_link_libraries(dove_asio INTERFACE Threads::Threads)
