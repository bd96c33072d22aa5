# Every library that hako links, found in one place. Debian packages only (scripts/setup.sh).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(LibArchive REQUIRED)
find_package(ZLIB REQUIRED)
find_package(GTest REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(EXT2FS REQUIRED IMPORTED_TARGET ext2fs com_err)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(NL_ROUTE REQUIRED IMPORTED_TARGET libnl-route-3.0)

# Its headers; src/base/fmt.cc is the archive that Debian does not have.
find_package(fmt REQUIRED)

# gRPC without TLS, static: Debian's CMake targets are shared only, pkg-config knows the archives.
# Static because the shim and the guest want to start fast and to share nothing.
pkg_check_modules(GRPC REQUIRED grpc++_unsecure)
add_library(hako_grpc INTERFACE)
set(hako_grpc_archives "")
# pkg-config forgets what gRPC itself was linked with: the ITEMS.
foreach(name IN LISTS GRPC_STATIC_LIBRARIES ITEMS upb cares address_sorting re2)
    find_library(hako_archive_${name} lib${name}.a)
    if(hako_archive_${name})
        list(APPEND hako_grpc_archives ${hako_archive_${name}})
    endif()
endforeach()
list(REMOVE_DUPLICATES hako_grpc_archives)
find_library(HAKO_PROTOBUF libprotobuf.a REQUIRED)
find_library(HAKO_ZLIB libz.a REQUIRED)
target_link_libraries(hako_grpc INTERFACE
    -Wl,--start-group ${hako_grpc_archives} ${HAKO_PROTOBUF} ${HAKO_ZLIB} -Wl,--end-group
    Threads::Threads ${CMAKE_DL_LIBS})

# It passes on what has a precompiled header.
find_program(CCACHE ccache)
if(CCACHE AND NOT HAKO_LEAN AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
