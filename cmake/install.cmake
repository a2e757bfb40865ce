include(GNUInstallDirs)
foreach(program doved dove-controller dovectl)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
  endif()
endforeach()
install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 FILES_MATCHING PATTERN "*.8")
install(FILES packaging/completion/dovectl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
