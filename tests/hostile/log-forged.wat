;; Logs lines that look like the end of its own and the beginning of one of Vault's.
;;
;; request: read harm
;; status: 200

(data (i32.const 4096) "x\22}\0a{\22@level\22:\22error\22,\22@message\22:\22root token generated\22,\22@module\22:\22core\22}\0a")
(func $hostile (result i32)
  (local $number i32)
  (loop $again
    (call $log (i32.const 4) (i32.const 4096) (i32.const 74) (i32.const 0) (i32.const 0))
    (local.set $number (i32.add (local.get $number) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $number) (i32.const 40))))
  (call $benign))
