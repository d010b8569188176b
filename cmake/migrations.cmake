# syncflow_migrations(TARGET KIND): embeds src/TARGET/migrations/KIND/NNNN_name.sql, in the order of their numbers,
# into the library TARGET as `migrations::KIND()` (src/TARGET/migrations.h). Run as a script, it writes that source.

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(GLOB files ${FOLDER}/*.sql)
  list(SORT files)
  set(entries "")
  foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(REGEX MATCH "^[0-9][0-9][0-9][0-9]" number "${name}")
    if(NOT number)
      message(FATAL_ERROR "${file}: the name of a migration begins with four digits")
    endif()
    string(REGEX REPLACE "^0+" "" number ${number})
    file(READ ${file} sql)
    string(APPEND entries "      {${number}, \"${name}\", R\"sql(${sql})sql\"},\n")
  endforeach()
  file(WRITE ${OUTPUT}
    "#include \"store/migrations.h\"\n\n"
    "namespace syncflow::migrations {\n\n"
    "const std::vector<Migration>& ${KIND}() {\n"
    "  static const std::vector<Migration> all{\n${entries}  };\n"
    "  return all;\n"
    "}\n\n"
    "}  // namespace syncflow::migrations\n")
  return()
endif()

set(SYNCFLOW_MIGRATIONS_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(syncflow_migrations target kind)
  set(folder ${CMAKE_SOURCE_DIR}/src/${target}/migrations/${kind})
  set(output ${CMAKE_BINARY_DIR}/generated/${target}/${kind}_migrations.cpp)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.sql)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DKIND=${kind} -DOUTPUT=${output} -P ${SYNCFLOW_MIGRATIONS_SCRIPT}
    DEPENDS ${files} ${SYNCFLOW_MIGRATIONS_SCRIPT}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
