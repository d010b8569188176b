# syncflow_embed(TARGET FILE FUNCTION): compiles src/FILE into TARGET as the text that `FUNCTION()` gives, declared in
# the header beside it. Run as a script, it writes that source.

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ ${FILE} text)
  file(WRITE ${OUTPUT}
    "#include \"${HEADER}\"\n\n"
    "namespace syncflow::${NAMESPACE} {\n\n"
    "std::string_view ${FUNCTION}() { return R\"embedded(${text})embedded\"; }\n\n"
    "}  // namespace syncflow::${NAMESPACE}\n")
  return()
endif()

set(SYNCFLOW_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(syncflow_embed target file function)
  get_filename_component(name ${file} NAME_WE)
  set(output ${CMAKE_BINARY_DIR}/generated/${target}/${name}.cpp)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DFILE=${CMAKE_SOURCE_DIR}/src/${file} -DHEADER=${target}/${name}.h -DNAMESPACE=${target}
      -DFUNCTION=${function} -DOUTPUT=${output} -P ${SYNCFLOW_EMBED_SCRIPT}
    DEPENDS ${CMAKE_SOURCE_DIR}/src/${file} ${SYNCFLOW_EMBED_SCRIPT}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
