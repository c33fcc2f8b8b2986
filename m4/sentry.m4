dnl SPDX-License-Identifier: Apache-2.0

dnl SENTRY_CFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the compiler takes it without a warning.
AC_DEFUN([SENTRY_CFLAG], [
	AC_MSG_CHECKING([whether $CC takes $2])
	sentry_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $2"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $2"])],
		[AC_MSG_RESULT([no])])
	CFLAGS=$sentry_saved_CFLAGS
])

dnl SENTRY_LDFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if a program links with it.
AC_DEFUN([SENTRY_LDFLAG], [
	AC_MSG_CHECKING([whether linking takes $2])
	sentry_saved_LDFLAGS=$LDFLAGS
	LDFLAGS="$LDFLAGS -Werror $2"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $2"])],
		[AC_MSG_RESULT([no])])
	LDFLAGS=$sentry_saved_LDFLAGS
])

dnl SENTRY_LIB(VARIABLE, WHAT, DEBIAN PACKAGE, HEADERS, CALL, LIBRARIES, [IF-MISSING])
dnl Sets VARIABLE to LIBRARIES if a program that includes HEADERS and makes CALL links with them.  Otherwise runs
dnl IF-MISSING, by default noting the Debian package, so that SENTRY_REPORT_MISSING can name all of them at once.
AC_DEFUN([SENTRY_LIB], [
	AC_MSG_CHECKING([for $2])
	sentry_saved_LIBS=$LIBS
	sentry_saved_CFLAGS=$CFLAGS
	LIBS="$6 $LIBS"
	CFLAGS="$CFLAGS -Werror=implicit-function-declaration"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([$4], [$5])],
		[AC_MSG_RESULT([yes]); $1="$6"],
		[AC_MSG_RESULT([no])
		$1=
		m4_default([$7], [AS_VAR_APPEND([sentry_missing], [" $3"])])])
	LIBS=$sentry_saved_LIBS
	CFLAGS=$sentry_saved_CFLAGS
	AC_SUBST([$1])
])

dnl SENTRY_REPORT_MISSING: ends configure, naming every missing Debian package and the one command that installs them.
AC_DEFUN([SENTRY_REPORT_MISSING], [
	AS_IF([test -n "$sentry_missing"], [
		AC_MSG_NOTICE([missing:$sentry_missing])
		AC_MSG_ERROR([some libraries are missing.  On Debian:  apt-get install$sentry_missing])
	])
])
