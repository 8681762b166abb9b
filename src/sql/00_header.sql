\echo Use "CREATE EXTENSION segmentation" to load this file. \quit

