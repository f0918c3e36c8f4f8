"""A merchant's books on paper and in files: registers, fee invoices and acts, in Kazakh, Russian and English.

Each writer takes compiled figures and a stream, and knows no clock: a document of a period that is over is the same bytes
whenever it is made.
"""
