# hako_proto(<name>): proto/<name>.proto -> library hako_proto_<name>, included as "proto/<name>.pb.h"
# and "proto/<name>.grpc.pb.h". Generated code is compiled without our warnings.
function(hako_proto name)
    set(out ${PROJECT_BINARY_DIR}/generated)
    set(source ${PROJECT_SOURCE_DIR}/proto/${name}.proto)
    set(generated "")
    foreach(suffix pb.cc pb.h grpc.pb.cc grpc.pb.h)
        list(APPEND generated ${out}/proto/${name}.${suffix})
    endforeach()
    file(MAKE_DIRECTORY ${out})
    add_custom_command(
        OUTPUT ${generated}
        COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR} --cpp_out=${out}
            --grpc_out=${out} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${source}
        DEPENDS ${source}
        VERBATIM)
    add_library(hako_proto_${name} STATIC ${generated})
    target_include_directories(hako_proto_${name} SYSTEM PUBLIC ${out})
endfunction()
