# cmake -D NPM=… -D NODE=… -D WORK=… -D FOLDER=… -P bundle.cmake: checks and bundles the page into
# FOLDER. Where npm cannot fetch the packages, FOLDER goes and the next build tries again.
set(source ${CMAKE_CURRENT_LIST_DIR})
set(installed ${WORK}/node_modules/.installed)
file(COPY ${source}/src ${source}/build.mjs ${source}/tsconfig.json ${source}/package.json
    ${source}/package-lock.json ${source}/.npmrc DESTINATION ${WORK})

file(SHA256 ${source}/package-lock.json wanted)
set(present "")
if(EXISTS ${installed})
    file(READ ${installed} present)
endif()
if(NOT present STREQUAL wanted)
    execute_process(
        COMMAND ${NPM} ci --ignore-scripts --prefer-offline --loglevel=error
        WORKING_DIRECTORY ${WORK} RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        file(REMOVE_RECURSE ${FOLDER})
        message(WARNING "The viewer's page is not built: npm could not fetch its packages")
        return()
    endif()
    file(WRITE ${installed} ${wanted})
endif()

execute_process(
    COMMAND ${NODE} node_modules/typescript/bin/tsc --noEmit
    WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
execute_process(
    COMMAND ${NODE} build.mjs ${FOLDER}
    WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
