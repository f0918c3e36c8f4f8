"""Kazakh: Django ships no formats for it. Dates as people write them in Kazakhstan, groups by a no-break space."""

DATE_FORMAT = r"Y ж. j E"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = r"Y ж. j E, H:i"
YEAR_MONTH_FORMAT = r"Y ж. F"
MONTH_DAY_FORMAT = "j E"
SHORT_DATE_FORMAT = "d.m.Y"
SHORT_DATETIME_FORMAT = "d.m.Y H:i"
FIRST_DAY_OF_WEEK = 1
DATE_INPUT_FORMATS = ["%d.%m.%Y", "%Y-%m-%d"]
DATETIME_INPUT_FORMATS = ["%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y-%m-%dT%H:%M"]
DECIMAL_SEPARATOR = ","
THOUSAND_SEPARATOR = "\xa0"
NUMBER_GROUPING = 3
